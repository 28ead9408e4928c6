# linux_rom.asm -> an object file of the machine layer's, its image as data.
find_program(NASM nasm REQUIRED)
set(rom_source ${CMAKE_SOURCE_DIR}/src/machine/boot/linux_rom.asm)
set(rom_object ${CMAKE_BINARY_DIR}/generated/machine/boot/linux_rom.o)
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/generated/machine/boot)
add_custom_command(
  OUTPUT ${rom_object}
  COMMAND ${NASM} -Wall -Werror -f elf64 -o ${rom_object} ${rom_source}
  DEPENDS ${rom_source}
  COMMENT "Assembling linux_rom.asm" VERBATIM)
set_source_files_properties(${rom_object} PROPERTIES EXTERNAL_OBJECT TRUE GENERATED TRUE)
target_sources(softmetal_machine PRIVATE ${rom_object})
