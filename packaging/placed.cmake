# SPDX-License-Identifier: GPL-2.0-or-later
# install_placed(FILE DIRECTORY [COMPONENT NAME]): files name what is installed as /usr has it, and
# are usable as they are.  Here they get the directories that cmake was told.
#
# All names are marked before one is replaced: with SBINDIR=/usr/bin, flagmand would else be taken
# for something that starts with /usr/bin/flagman.
function(install_placed file directory)
	set(places
		/usr/libexec/flagman "${CMAKE_INSTALL_FULL_LIBEXECDIR}/flagman"
		/usr/sbin/flagmand "${CMAKE_INSTALL_FULL_SBINDIR}/flagmand"
		/usr/bin/flagman "${CMAKE_INSTALL_FULL_BINDIR}/flagman"
		/usr/share/doc/flagman "${CMAKE_INSTALL_FULL_DOCDIR}"
		/usr/share/flagman "${CMAKE_INSTALL_FULL_DATADIR}/flagman")
	set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
	file(READ ${file} text)
	string(ASCII 1 mark)
	foreach(i 0 2 4 6 8)
		list(GET places ${i} name)
		string(REPLACE "${name}" "${mark}${i}${mark}" text "${text}")
	endforeach()
	foreach(i 0 2 4 6 8)
		math(EXPR value "${i} + 1")
		list(GET places ${value} place)
		string(REPLACE "${mark}${i}${mark}" "${place}" text "${text}")
	endforeach()
	file(GENERATE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/${file} CONTENT "${text}")
	install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${file} DESTINATION ${directory} ${ARGN})
endfunction()
