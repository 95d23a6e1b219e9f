"""What `minutehand doctor` looks at: facts are gathered once (`subject`), each check judges some of them, purely."""
