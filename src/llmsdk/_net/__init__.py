"""Everything that touches the network: two drivers and what they stand on."""
