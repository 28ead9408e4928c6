# Each name.asl -> generated/machine/acpi/name.hex, a C array, by the ACPI compiler.
find_program(IASL iasl REQUIRED)
set(asl_folder ${CMAKE_SOURCE_DIR}/src/machine/acpi)
set(generated_folder ${CMAKE_BINARY_DIR}/generated/machine/acpi)
file(MAKE_DIRECTORY ${generated_folder})

function(compile_asl source)
  get_filename_component(name ${source} NAME_WE)
  set(prefix ${generated_folder}/${name})
  add_custom_command(
    OUTPUT ${prefix}.hex
    COMMAND ${IASL} -vs -we -tc -p ${prefix} ${source}
    DEPENDS ${source}
    COMMENT "Compiling ${name}.asl" VERBATIM)
  target_sources(softmetal_machine PRIVATE ${prefix}.hex)
endfunction()

# A unit test compares these with board_layout.hpp.
function(compile_serial_asl NUMBER PORT INTERRUPT)
  configure_file(${asl_folder}/serial.asl.in ${generated_folder}/com${NUMBER}.asl @ONLY)
  compile_asl(${generated_folder}/com${NUMBER}.asl)
endfunction()

compile_asl(${asl_folder}/dsdt.asl)
compile_asl(${asl_folder}/floppy.asl)
compile_serial_asl(2 0x2F8 3)
compile_serial_asl(3 0x3E8 4)
compile_serial_asl(4 0x2E8 3)
