"""booking-command: says yes or no to every change, keeps each as an event, and publishes them."""
