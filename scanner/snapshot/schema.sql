-- One run's facts: what AWS answered, verbatim, and small index tables derived from it.
-- A unit (one account and region, one account's IAM, the organization) is written in one transaction:
-- it is complete or absent. Everything that came from AWS is text written by others.
-- Times are ISO 8601 in UTC. Outcomes are those of scanner.model.coverage.Outcome.

-- Header of the run: schema_version, run_id, started, finished, as_of, caller, versions, scope, configuration, complete,
-- synthetic, hashes. resumed: JSON list of the times when it was continued. parts: JSON list of what it was joined from.
-- writer_process is there while a collection runs, and after one that was killed.
CREATE TABLE meta (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- `organization`, `accounts`, `account/ID`, `iam/ID`, `kms/ID/REGION`, and `run` for what the run did not come to.
-- state complete: it was done, with or without gaps in the ledger; it is never read again. failed: nothing of it was
-- kept but answers (a role that refused, an answer of somebody else, a bug). not_reached: it was not begun or was given
-- up. A planned unit without a row is one that a killed collection did not come to. All but complete are done again.
CREATE TABLE units (
  unit TEXT PRIMARY KEY,
  state TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Every API answer as received, errors included; credentials never (only operations of an allow-list are recorded).
-- status 0: the request ended without an answer (timeout, reset). body: zlib.
CREATE TABLE answers (
  unit TEXT NOT NULL,
  seq INTEGER NOT NULL,
  service TEXT NOT NULL,
  operation TEXT NOT NULL,
  params TEXT NOT NULL,
  subject TEXT NOT NULL,
  status INTEGER NOT NULL,
  request_id TEXT NOT NULL,
  server_date TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (unit, seq)
) STRICT, WITHOUT ROWID;

-- Policy documents once, by the SHA-256 of their exact UTF-8 text; IAM's are URL-decoded. text: zlib.
CREATE TABLE documents (
  sha256 TEXT PRIMARY KEY,
  text BLOB NOT NULL
) STRICT;

-- The ledger: how each call about each subject ended.
CREATE TABLE coverage (
  account_id TEXT NOT NULL,
  region TEXT NOT NULL,
  call TEXT NOT NULL,
  subject TEXT NOT NULL,
  outcome TEXT NOT NULL,
  error_code TEXT NOT NULL,
  message TEXT NOT NULL,
  what_to_do TEXT NOT NULL,
  unit TEXT NOT NULL,
  PRIMARY KEY (account_id, region, call, subject)
) STRICT, WITHOUT ROWID;

-- Known accounts. status: AWS's word, empty where unknown. in_organization: in the tree that was read.
-- collected: its role was assumed. scanned: in scope; otherwise exclusion_reason says why not.
CREATE TABLE accounts (
  account_id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  email TEXT NOT NULL,
  status TEXT NOT NULL,
  in_organization INTEGER NOT NULL,
  collected INTEGER NOT NULL,
  scanned INTEGER NOT NULL,
  exclusion_reason TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- opt_status: ENABLED | ENABLED_BY_DEFAULT | ENABLING | DISABLING | DISABLED | UNKNOWN. scanned: in scope of the run.
CREATE TABLE regions (
  account_id TEXT NOT NULL,
  region TEXT NOT NULL,
  opt_status TEXT NOT NULL,
  scanned INTEGER NOT NULL,
  PRIMARY KEY (account_id, region)
) STRICT, WITHOUT ROWID;

-- At most one row: the caller's organization. *_enabled NULL: not known. *_read: an outcome; `ok` means
-- completely read, `empty` that the policy type is not enabled. scp_read and rcp_read speak of the list of policies
-- and of their targets; a policy whose text was refused is in org_policies without a document.
CREATE TABLE organizations (
  id TEXT PRIMARY KEY,
  management_account_id TEXT NOT NULL,
  management_account_arn TEXT NOT NULL,
  root_id TEXT NOT NULL,
  scp_enabled INTEGER,
  rcp_enabled INTEGER,
  tree_read TEXT NOT NULL,
  scp_read TEXT NOT NULL,
  rcp_read TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- parent_id: the root or another OU.
CREATE TABLE ous (
  id TEXT PRIMARY KEY,
  parent_id TEXT NOT NULL,
  name TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE org_members (
  account_id TEXT PRIMARY KEY,
  parent_id TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- type: SERVICE_CONTROL_POLICY | RESOURCE_CONTROL_POLICY. document_sha256 NULL: not read.
CREATE TABLE org_policies (
  policy_id TEXT PRIMARY KEY,
  type TEXT NOT NULL,
  name TEXT NOT NULL,
  arn TEXT NOT NULL,
  aws_managed INTEGER NOT NULL,
  document_sha256 TEXT
) STRICT, WITHOUT ROWID;

-- p-RCPFullAWSAccess is attached everywhere by definition and has no rows here.
CREATE TABLE org_attachments (
  target_id TEXT NOT NULL,
  policy_id TEXT NOT NULL,
  PRIMARY KEY (target_id, policy_id)
) STRICT, WITHOUT ROWID;

-- Facts of DescribeKey are NULL where it was not read. *_status is the outcome of that call for this key:
-- tags, grants, aliases `ok` or `empty` when read; ram `empty` when the key has no AWS_RAM policy;
-- `skipped` for AWS managed keys. policy `malformed`: the text is kept but is no JSON object.
CREATE TABLE keys (
  arn TEXT PRIMARY KEY,
  account_id TEXT NOT NULL,
  region TEXT NOT NULL,
  key_id TEXT NOT NULL,
  state TEXT,
  manager TEXT,
  spec TEXT,
  usage TEXT,
  origin TEXT,
  description TEXT,
  multi_region INTEGER,
  multi_region_type TEXT,
  created TEXT,
  policy_sha256 TEXT,
  ram_policy_sha256 TEXT,
  describe_status TEXT NOT NULL,
  policy_status TEXT NOT NULL,
  ram_status TEXT NOT NULL,
  grants_status TEXT NOT NULL,
  tags_status TEXT NOT NULL,
  aliases_status TEXT NOT NULL,
  last_used TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX keys_by_account ON keys (account_id, region);

-- Keys of other accounts that Resource Access Manager shares with an account, as ListKeys answers it.
CREATE TABLE shared_keys (
  account_id TEXT NOT NULL,
  region TEXT NOT NULL,
  key_arn TEXT NOT NULL,
  PRIMARY KEY (account_id, region, key_arn)
) STRICT, WITHOUT ROWID;

CREATE TABLE key_tags (
  key_arn TEXT NOT NULL,
  tag_key TEXT NOT NULL,
  tag_value TEXT NOT NULL,
  PRIMARY KEY (key_arn, tag_key)
) STRICT, WITHOUT ROWID;

-- key_arn is empty for an alias without a target.
CREATE TABLE aliases (
  arn TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  key_arn TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX aliases_by_key ON aliases (key_arn);

-- operations: JSON list. constraints: JSON object as AWS has it, or NULL. Absent members are NULL.
CREATE TABLE grants (
  key_arn TEXT NOT NULL,
  grant_id TEXT NOT NULL,
  name TEXT,
  created TEXT,
  grantee_principal TEXT,
  grantee_service_principal TEXT,
  retiring_principal TEXT,
  retiring_service_principal TEXT,
  issuing_account TEXT,
  operations TEXT NOT NULL,
  constraints TEXT,
  PRIMARY KEY (key_arn, grant_id)
) STRICT, WITHOUT ROWID;

-- kind: user | role. tags: JSON object. boundary_arn names a row of policies. trust_sha256: roles only.
CREATE TABLE principals (
  arn TEXT PRIMARY KEY,
  account_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  path TEXT NOT NULL,
  unique_id TEXT NOT NULL,
  tags TEXT NOT NULL,
  boundary_arn TEXT,
  trust_sha256 TEXT,
  last_used TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX principals_by_account ON principals (account_id);

CREATE TABLE groups (
  arn TEXT PRIMARY KEY,
  account_id TEXT NOT NULL,
  name TEXT NOT NULL,
  path TEXT NOT NULL,
  unique_id TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE group_members (
  group_arn TEXT NOT NULL,
  user_arn TEXT NOT NULL,
  PRIMARY KEY (group_arn, user_arn)
) STRICT, WITHOUT ROWID;

-- Managed policies as seen from account_id, default version only. document_sha256 NULL: not read.
CREATE TABLE policies (
  account_id TEXT NOT NULL,
  arn TEXT NOT NULL,
  name TEXT NOT NULL,
  aws_managed INTEGER NOT NULL,
  default_version_id TEXT NOT NULL,
  document_sha256 TEXT,
  PRIMARY KEY (account_id, arn)
) STRICT, WITHOUT ROWID;

-- Every identity policy of a principal; groups are already followed. source: inline | managed | group_inline |
-- group_managed. policy_arn and group_arn are empty where they do not apply. document_sha256 NULL: not read.
CREATE TABLE principal_policies (
  principal_arn TEXT NOT NULL,
  source TEXT NOT NULL,
  policy_name TEXT NOT NULL,
  policy_arn TEXT NOT NULL,
  group_arn TEXT NOT NULL,
  document_sha256 TEXT,
  PRIMARY KEY (principal_arn, source, policy_name, policy_arn, group_arn)
) STRICT, WITHOUT ROWID;

-- kind: oidc | saml.
CREATE TABLE identity_providers (
  arn TEXT PRIMARY KEY,
  account_id TEXT NOT NULL,
  kind TEXT NOT NULL
) STRICT, WITHOUT ROWID;
