package faulttest

import (
	"bytes"
	"context"
	"encoding/hex"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/orgbridge/orgbridge/internal/seal"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

// CheckKeys is I11: every sealed key opens for its own account and connection, and is one of the expected keys.
func (d *Database) CheckKeys(tb testing.TB, keyset *seal.Keyset, expected ...string) {
	tb.Helper()
	rows, err := d.QueryContext(context.WithoutCancel(tb.Context()), "SELECT CAST(account_id AS text), CAST(id AS text), sealed_key FROM integrations")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var account, id string
		var sealed []byte
		if err := rows.Scan(&account, &id, &sealed); err != nil {
			tb.Fatal(err)
		}
		key, err := keyset.Open(sealed, KeyOwner(account, id))
		if err != nil {
			tb.Errorf("I11, every sealed key opens: that of account %s does not: %v", account, err)
		} else if !slices.Contains(expected, key) {
			tb.Errorf("I11, every sealed key opens: that of account %s is another one", account)
		}
	}
	if err := rows.Err(); err != nil {
		tb.Fatal(err)
	}
}

// KeyOwner is whom the key of an account's connection is sealed for.
func KeyOwner(accountID, integrationID string) string {
	return "account=" + accountID + " integration=" + integrationID + " purpose=itglue-api-key"
}

// CheckSecret is I13: the secret is nowhere in the bytes of the database, nor in any of the texts, such as logs and answers.
func (d *Database) CheckSecret(tb testing.TB, secret string, texts ...string) {
	tb.Helper()
	for name, content := range d.Dump(tb) {
		if bytes.Contains(content, []byte(secret)) || bytes.Contains(content, []byte(hex.EncodeToString([]byte(secret)))) {
			tb.Errorf("I13, no secret in the clear: it is in %s", name)
		}
	}
	for i, text := range texts {
		if strings.Contains(text, secret) {
			tb.Errorf("I13, no secret in the clear: it is in text %d", i)
		}
	}
}

// Dump returns all that the database holds: the files of SQLite, or what pg_dump writes.
func (d *Database) Dump(tb testing.TB) map[string][]byte {
	tb.Helper()
	if !d.SQLite {
		return map[string][]byte{"the dump": storetest.Dump(tb, d.URL)}
	}
	files := map[string][]byte{}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		name := strings.TrimPrefix(d.URL, "sqlite://") + suffix
		content, err := os.ReadFile(name)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			tb.Fatal(err)
		}
		files[name] = content
	}
	return files
}
