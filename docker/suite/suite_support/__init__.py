"""What the tests share: the image's facts, a server under test, a client, and how frameworks differ."""
