"""What the driver is made of; see ../README.md."""
