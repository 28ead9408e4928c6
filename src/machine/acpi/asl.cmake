# Each name.asl -> generated/machine/acpi/name.hex, a C array, by the ACPI compiler.
find_program(IASL iasl REQUIRED)
foreach(name dsdt floppy)
  set(source ${CMAKE_SOURCE_DIR}/src/machine/acpi/${name}.asl)
  set(prefix ${CMAKE_BINARY_DIR}/generated/machine/acpi/${name})
  add_custom_command(
    OUTPUT ${prefix}.hex
    COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/generated/machine/acpi
    COMMAND ${IASL} -vs -we -tc -p ${prefix} ${source}
    DEPENDS ${source}
    COMMENT "Compiling ${name}.asl" VERBATIM)
  target_sources(softmetal_machine PRIVATE ${prefix}.hex)
endforeach()
