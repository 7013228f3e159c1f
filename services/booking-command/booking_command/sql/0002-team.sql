-- Who may act for the team. Events tell that it happened; secrets' hashes stay here.

CREATE TABLE credentials (
    member_id uuid PRIMARY KEY,
    email text NOT NULL UNIQUE,
    password_hash text NOT NULL, -- argon2id
    generation integer NOT NULL -- counts passwords: sessions of an earlier one have ended
);

CREATE TABLE ended_sessions (
    session_id text PRIMARY KEY,
    ended_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE api_tokens (
    token_id uuid PRIMARY KEY,
    sha256 text NOT NULL UNIQUE,
    member_id uuid NOT NULL REFERENCES credentials ON DELETE CASCADE
);
