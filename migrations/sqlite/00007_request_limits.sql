-- +goose Up
-- What the nodes that use an IT Glue key tell each other. A key is known by a fingerprint that does not reveal it.
CREATE TABLE request_limits (
    fingerprint   TEXT     NOT NULL PRIMARY KEY,
    -- When all requests that were drawn are refilled.
    spent_until   DATETIME NOT NULL,
    -- When IT Glue may be asked again.
    blocked_until DATETIME NOT NULL
) WITHOUT ROWID;
CREATE INDEX request_limits_spent ON request_limits (spent_until);
