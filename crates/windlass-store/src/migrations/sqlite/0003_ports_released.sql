-- The port that has rested longest is found without a look at all others.

CREATE INDEX ports_released ON ports (released_at, port) WHERE released_at IS NOT NULL;
