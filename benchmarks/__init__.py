"""tinylog beside what people would use instead, in one run, on the same input: ratios, not seconds."""
