package config_test

import (
	"strings"
	"testing"
)

func TestAPI8NothingInsecureIsTheDefault(t *testing.T) {
	t.Parallel()
	got, err := parse(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(got.Addr, "127.0.0.1:") {
		t.Errorf("it listens on %s", got.Addr)
	}
	if len(got.CORSOrigins) > 0 {
		t.Errorf("the scripts of %v may read answers", got.CORSOrigins)
	}
	if len(got.ITGlueURLs) > 0 {
		t.Errorf("IT Glue is at %v", got.ITGlueURLs)
	}
	if ref, _, err := got.KeysetFile(); err != nil || strings.HasPrefix(ref, "env:") {
		t.Errorf("the keyset is %s, %v", ref, err) // a file, which is made with keys of its own
	}
	shared, err := parse(t, map[string]string{"ORGBRIDGE_DATABASE_URL": "postgres://u:p@db/orgbridge"})
	if err != nil {
		t.Fatal(err)
	}
	if ref, mayCreate, err := shared.KeysetFile(); err == nil {
		t.Errorf("with PostgreSQL the keyset is %s, made: %v", ref, mayCreate)
	}
}
