# dsdt.asl -> generated/machine/acpi/dsdt.hex, a C array, by the ACPI compiler.
find_program(IASL iasl REQUIRED)
set(dsdt_source ${CMAKE_SOURCE_DIR}/src/machine/acpi/dsdt.asl)
set(dsdt_prefix ${CMAKE_BINARY_DIR}/generated/machine/acpi/dsdt)
add_custom_command(
  OUTPUT ${dsdt_prefix}.hex
  COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/generated/machine/acpi
  COMMAND ${IASL} -vs -we -tc -p ${dsdt_prefix} ${dsdt_source}
  DEPENDS ${dsdt_source}
  COMMENT "Compiling the ACPI namespace" VERBATIM)
target_sources(softmetal_machine PRIVATE ${dsdt_prefix}.hex)
