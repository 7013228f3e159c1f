"""Real servers for tests: started when the first test asks, shared by the run, stopped at its end."""
