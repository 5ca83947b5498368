"""What `llmsdk.ray` and `llmsdk.frames` have in common: a plan that travels, and a session that works it off."""
