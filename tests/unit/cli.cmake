flagman_unit(cli_args flagman_cli)
flagman_unit(cli_target flagman_cli)
flagman_unit(cli_show flagman_cli)
flagman_unit(cli_json flagman_cli)
flagman_unit(cli_smbconf flagman_cli)
flagman_unit(cli_man flagman_config)
target_compile_definitions(test_cli_man PRIVATE
	MAN_PAGE="${CMAKE_SOURCE_DIR}/man/flagman.yaml.5")
