"""The portrait that speaks. Import `speaking`; `face` for the box of a mouth."""
