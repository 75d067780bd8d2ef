"""Floor 2: pure functions that analyse models and arrays, from Grad-CAM to a roofline."""
