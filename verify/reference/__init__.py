"""The networks once more, in numpy, as steps that can be changed one by one."""
