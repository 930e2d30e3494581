"""From network, vocabulary and calibration to answers: scoring, model folder, predictor, the registered pyfunc."""
