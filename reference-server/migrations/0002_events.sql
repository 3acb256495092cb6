-- A chat's events, numbered 1, 2, 3, … without a gap in the order in which they are committed.

-- The last revision given out. Not a column of `chats`: the members' foreign key takes a shared lock on that row for every
-- join, and each event would wait for it.
CREATE TABLE chat_revisions (
    chat_id  BIGINT UNSIGNED NOT NULL,
    revision BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (chat_id)
) ENGINE = InnoDB;

INSERT INTO chat_revisions (chat_id, revision) SELECT id, 0 FROM chats;

-- In the order in which they are fetched: what a member has missed lies side by side. TEXT holds what fits into a request.
CREATE TABLE events (
    chat_id  BIGINT UNSIGNED                    NOT NULL,
    revision BIGINT UNSIGNED                    NOT NULL,
    user_id  BIGINT UNSIGNED                    NOT NULL,
    kind     ENUM ('message','reaction','read') NOT NULL,
    body     TEXT                               NOT NULL,
    sent_at  DATETIME(6)                        NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    PRIMARY KEY (chat_id, revision)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
