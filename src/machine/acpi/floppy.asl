// The floppy disk controller, of boards that have one.
DefinitionBlock ("", "SSDT", 2, "SFTMTL", "FLOPPY", 1)
{
    External (\_SB.PCI0, DeviceObj)
    Scope (\_SB.PCI0)
    {
        Device (FDC0)
        {
            Name (_HID, EisaId ("PNP0700"))
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x3F0, 0x3F0, 1, 6)
                IO (Decode16, 0x3F7, 0x3F7, 1, 1)
                IRQNoFlags () { 6 }
                DMA (Compatibility, NotBusMaster, Transfer8) { 2 }
            })
        }
    }
}
