"""What is new in a source since the newest `interactions`; read by the sensor that starts a retrain."""
