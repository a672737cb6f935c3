"""Pictures put between an engine's pictures, before they are encoded. Import `chain`."""
