# config-fake: the machine of tests/config
flagman_unit(config_values flagman_config flagman_common)
flagman_unit(config_files config-fake)
flagman_unit(config_lastgood config-fake)
flagman_unit(config_share flagman_config flagman_common)
flagman_unit(config_size config-fake)
flagman_unit(config_memory config-fake)
target_link_options(test_config_memory PRIVATE -Wl,--wrap=malloc -Wl,--wrap=calloc
	-Wl,--wrap=realloc -Wl,--wrap=reallocarray)
target_sources(test_config_memory PRIVATE ${CMAKE_SOURCE_DIR}/src/config/arena.c)
target_compile_definitions(test_config_memory PRIVATE BLOCK_SIZE=64U)
