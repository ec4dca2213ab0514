# SPDX-License-Identifier: GPL-2.0-or-later
flagman_unit(policy flagman_executor_core)
flagman_unit(rates flagman_executor_core)
flagman_unit(environment flagman_executor_core)
flagman_unit(specify flagman_executor_core)
flagman_unit(killing flagman_executor_core)
flagman_unit(executor_pure flagman_executor_core)
flagman_unit(spec flagman_spec)
flagman_unit(runner_pure flagman_runner_core)
