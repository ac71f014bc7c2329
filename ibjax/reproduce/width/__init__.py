"""Networks of finite width, and teachers at n ~ d^2."""
