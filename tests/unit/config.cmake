# config-fake: the machine of tests/config
flagman_unit(config_values flagman_config flagman_common)
flagman_unit(config_files config-fake)
flagman_unit(config_lastgood config-fake)
flagman_unit(config_size config-fake)
