package config

import (
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/orgbridge/orgbridge/pkg/itglue"
)

const sqliteScheme = "sqlite://"

// Flags are variables that a command has declared as flags.
type Flags struct {
	given map[Variable]string
	names []Variable
}

// Declare adds the variables to the flags of a command: DATABASE_URL becomes --database-url.
func Declare(fs *flag.FlagSet, variables ...Variable) *Flags {
	f := &Flags{given: make(map[Variable]string), names: variables}
	for _, v := range variables {
		d := v.definition()
		usage := d.usage
		if d.fallback != "" {
			usage += " (default " + d.fallback + ")"
		}
		fs.Func(v.Flag(), usage+" [$"+v.env()+"]", func(text string) error {
			f.given[v] = text
			return nil
		})
	}
	return f
}

// Parse makes the configuration of the flags, after these have been parsed, and the environment. A flag wins over its variable; an
// empty value is the same as none. The error names the variable.
func (f *Flags) Parse(getenv func(string) string) (Config, error) {
	c := Config{ITGlueURLs: make(map[itglue.Region]string), given: make(map[Variable]bool)}
	for _, v := range f.names {
		d := v.definition()
		text, source := f.given[v], "--"+v.Flag()+" ("+v.env()+")"
		if text == "" {
			text, source = getenv(v.env()), v.env()
		}
		c.given[v] = text != ""
		if text == "" {
			text = d.fallback
		}
		if text == "" {
			continue
		}
		if err := d.set(&c, text); err != nil {
			return Config{}, fmt.Errorf("%s %w", source, err)
		}
	}
	if err := checkOIDC(&c); err != nil {
		return Config{}, err
	}
	return c, nil
}

// SQLiteFile is the file of a SQLite database; empty with PostgreSQL.
func (c Config) SQLiteFile() string {
	path, ok := strings.CutPrefix(c.DatabaseURL, sqliteScheme)
	if !ok {
		return ""
	}
	return filepath.Clean(path)
}

// KeysetFile says where the keyset is. With SQLite and none given it is a file beside the database, which may be made when it is
// not there.
func (c Config) KeysetFile() (ref string, mayCreate bool, err error) {
	if c.Keyset != "" {
		return c.Keyset, false, nil
	}
	database := c.SQLiteFile()
	if database == "" {
		return "", false, errors.New(Keyset.env() + " is required with PostgreSQL; make one with: orgbridge keys create --out FILE")
	}
	return database + ".keyset.json", true, nil
}

func (v Variable) env() string { return Prefix + string(v) }

// Flag is the name of the variable's flag, such as "database-url".
func (v Variable) Flag() string { return strings.ToLower(strings.ReplaceAll(string(v), "_", "-")) }
