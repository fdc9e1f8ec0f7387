"""What each command does: the rooms of the library put together."""
