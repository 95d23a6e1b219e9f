"""What `minutehand doctor` looks at: facts are gathered once (`facts`), each check judges some of them, purely."""
