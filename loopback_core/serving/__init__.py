"""The service: answers for anybody with a history, from one bundle, which is exchanged while it runs."""
