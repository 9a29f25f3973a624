"""The command `palate`: what somebody at a terminal runs and sees."""
