"""The language of rule conditions: text → tree (`parse`) → checked tree (`check`) → function of what a station shows (`compile`)."""
