"""What a study's jobs take: time, memory, storage; expected and measured."""
