"""The portrait that speaks. Import `portrait`; `face` for the box of a mouth."""
