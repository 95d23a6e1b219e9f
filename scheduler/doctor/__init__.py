"""The checks of `minutehand doctor`: facts are gathered once (`facts`); each check is a pure function of them."""
