flagman_unit(packet flagman_wire)
flagman_unit(channel flagman_wire)
flagman_unit(view flagman_wire)
flagman_unit(claim flagman_wire)
