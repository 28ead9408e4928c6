// The board's devices as an operating system with ACPI sees them. Addresses and interrupts are those of
// machine/board_layout.hpp; a unit test compares the two.
DefinitionBlock ("", "DSDT", 2, "SFTMTL", "SOFTMETL", 1)
{
    // The value of SLP_TYP that switches the machine off.
    Name (\_S5, Package () { 5, 5, 0, 0 })

    // Which interrupt controllers the system uses: 0 the 8259 pair, 1 the I/O APIC.
    Name (\PICM, 0)
    Method (\_PIC, 1) { PICM = Arg0 }

    Scope (\_SB)
    {
        Device (PCI0)
        {
            Name (_HID, EisaId ("PNP0A03"))
            Name (_UID, 0)
            Name (_BBN, 0)
            Name (_CRS, ResourceTemplate ()
            {
                WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode, 0, 0, 0, 0, 1)
                IO (Decode16, 0xCF8, 0xCF8, 1, 8)
                WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
                        0, 0x0000, 0x0CF7, 0, 0x0CF8)
                WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
                        0, 0x0D00, 0xFFFF, 0, 0xF300)
                DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, Cacheable, ReadWrite,
                             0, 0x000A0000, 0x000BFFFF, 0, 0x00020000)
                DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite,
                             0, 0xC0000000, 0xFEBFFFFF, 0, 0x3EC00000)
            })

            // INTA..INTD of slot d arrive at pin (d + 3 + pin) % 4: GSI 16..19, or IRQ 10 and 11 of the 8259s.
            Name (PINS, Package () { 16, 17, 18, 19 })
            Name (IRQS, Package () { 10, 10, 11, 11 })
            Method (ROUT, 1, Serialized)
            {
                Name (RSLT, Package (128) {})
                Local0 = 0
                While (Local0 < 128)
                {
                    Local1 = Package (4) { 0, 0, 0, 0 }
                    Local1[0] = ((Local0 >> 2) << 16) | 0xFFFF
                    Local1[1] = Local0 & 3
                    Local1[3] = DerefOf (Arg0[((Local0 >> 2) + 3 + Local0) & 3])
                    RSLT[Local0] = Local1
                    Local0++
                }
                Return (RSLT)
            }
            Method (_PRT, 0, Serialized)
            {
                If (PICM == 1) { Return (ROUT (PINS)) }
                Return (ROUT (IRQS))
            }

            Device (COM1)
            {
                Name (_HID, EisaId ("PNP0501"))
                Name (_UID, 1)
                Name (_CRS, ResourceTemplate ()
                {
                    IO (Decode16, 0x3F8, 0x3F8, 1, 8)
                    IRQNoFlags () { 4 }
                })
            }

            Device (RTC)
            {
                Name (_HID, EisaId ("PNP0B00"))
                Name (_CRS, ResourceTemplate ()
                {
                    IO (Decode16, 0x70, 0x70, 1, 2)
                    IRQNoFlags () { 8 }
                })
            }

            Device (TIMR)
            {
                Name (_HID, EisaId ("PNP0100"))
                Name (_CRS, ResourceTemplate ()
                {
                    IO (Decode16, 0x40, 0x40, 1, 4)
                    IRQNoFlags () { 0 }
                })
            }

            Device (PIC)
            {
                Name (_HID, EisaId ("PNP0000"))
                Name (_CRS, ResourceTemplate ()
                {
                    IO (Decode16, 0x20, 0x20, 1, 2)
                    IO (Decode16, 0xA0, 0xA0, 1, 2)
                    IO (Decode16, 0x4D0, 0x4D0, 1, 2)
                    IRQNoFlags () { 2 }
                })
            }

            Device (FPU)
            {
                Name (_HID, EisaId ("PNP0C04"))
                Name (_CRS, ResourceTemplate ()
                {
                    IO (Decode16, 0xF0, 0xF0, 1, 1)
                    IRQNoFlags () { 13 }
                })
            }

            Device (HPET)
            {
                Name (_HID, EisaId ("PNP0103"))
                Name (_UID, 0)
                Name (_CRS, ResourceTemplate ()
                {
                    Memory32Fixed (ReadOnly, 0xFED00000, 0x400)
                })
            }

            Device (KBD)
            {
                Name (_HID, EisaId ("PNP0303"))
                Name (_CRS, ResourceTemplate ()
                {
                    IO (Decode16, 0x60, 0x60, 1, 1)
                    IO (Decode16, 0x64, 0x64, 1, 1)
                    IRQNoFlags () { 1 }
                })
            }

            Device (MOU)
            {
                Name (_HID, EisaId ("PNP0F13"))
                Name (_CRS, ResourceTemplate ()
                {
                    IRQNoFlags () { 12 }
                })
            }

            // The PIIX's IDE channels: two with two drives each.
            Device (IDE)
            {
                Name (_ADR, 0x00010001)
                Device (PRI)
                {
                    Name (_ADR, 0)
                    Device (MST) { Name (_ADR, 0) }
                    Device (SLV) { Name (_ADR, 1) }
                }
                Device (SEC)
                {
                    Name (_ADR, 1)
                    Device (MST) { Name (_ADR, 0) }
                    Device (SLV) { Name (_ADR, 1) }
                }
            }

            // The firmware configuration device, by the name that its drivers know (QEMU: docs/specs/fw_cfg).
            Device (FWCF)
            {
                Name (_HID, "QEMU0002")
                Name (_CRS, ResourceTemplate ()
                {
                    IO (Decode16, 0x510, 0x510, 1, 12)
                })
            }

            // Ports that are taken and belong to no other device: system control B and A, POST codes,
            // power management.
            Device (MBRD)
            {
                Name (_HID, EisaId ("PNP0C02"))
                Name (_CRS, ResourceTemplate ()
                {
                    IO (Decode16, 0x61, 0x61, 1, 1)
                    IO (Decode16, 0x80, 0x80, 1, 1)
                    IO (Decode16, 0x92, 0x92, 1, 1)
                    IO (Decode16, 0x600, 0x600, 1, 64)
                })
            }
        }
    }
}
