"""The whole product against an in-process AWS: a small organization on moto's server."""
