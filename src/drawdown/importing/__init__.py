"""Moving over from another system: its pages got and kept, checked whole, brought over, and proved equal."""
