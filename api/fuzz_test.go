package api_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/orgbridge/orgbridge/api"
	"github.com/orgbridge/orgbridge/internal/errs"
)

// FuzzBind compares the binder with the decoder of the standard library: what it takes, that takes as well, and understands in the same way.
func FuzzBind(f *testing.F) {
	f.Add([]byte(`{"title":"a","place":{"city":"b","zip":"1","size":7},"stops":[{"city":"c"}],"tags":["d",""]}`))
	f.Add([]byte(`{"title":"a","title":"b"}`))
	f.Add([]byte(`{"title":"a","TITLE":"b"}`))
	f.Add([]byte(`{"title":"\ud83d\ude00"} `))
	f.Add([]byte(strings.Repeat("[", 40)))
	f.Fuzz(func(t *testing.T, body []byte) {
		var got, want nested
		err := api.Bind(string(body), &got)
		if !json.Valid(body) && !errs.Is(err, errs.MalformedBody) {
			t.Fatalf("%q is no JSON: %v", body, err)
		}
		if code := errs.CodeOf(err); err != nil {
			if code != errs.MalformedBody && code != errs.ValidationFailed && code != errs.PayloadTooLarge {
				t.Fatalf("%q: %v", body, err)
			}
			return
		}
		d := json.NewDecoder(bytes.NewReader(body))
		d.DisallowUnknownFields()
		if err := d.Decode(&want); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%q was read as %+v, want %+v, %v", body, got, want, err)
		}
		again, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(again), "null") {
			return // what was left out is written as null, which is refused
		}
		var second nested
		if err := api.Bind(string(again), &second); err != nil || !reflect.DeepEqual(got, second) {
			t.Fatalf("%q was read as %+v, and when written again as %+v, %v", body, got, second, err)
		}
	})
}

// FuzzIdempotencyKey looks for a header that is read as another key than it names.
func FuzzIdempotencyKey(f *testing.F) {
	for _, seed := range []string{"", "key", `"key"`, `"a\"b\\c"`, "a,b", `"a,b"`, `"`, `"\"`, "ключ", strings.Repeat("k", 256)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		key, err := api.IdempotencyKey(header)
		visible := strings.Trim(header, "!#$%&'()*+-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~") == ""
		if plain := visible && header != "" && len(header) <= 255; plain && (err != nil || key != header) {
			t.Fatalf("%q is a key, read as %q, %v", header, key, err)
		}
		if err != nil {
			if !errs.Is(err, errs.IdempotencyKeyInvalid) || key != "" {
				t.Fatalf("%q: %q, %v", header, key, err)
			}
			return
		}
		if key == "" || len(key) > 255 || strings.ContainsFunc(key, func(r rune) bool { return r < '!' || r > '~' }) {
			t.Fatalf("%q is read as the key %q", header, key)
		}
		quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(key) + `"`
		if again, err := api.IdempotencyKey(quoted); err != nil || again != key {
			t.Fatalf("%q is read as %q, which in quotes is read as %q, %v", header, key, again, err)
		}
		if key != header && header != quoted && !strings.HasPrefix(header, `"`) {
			t.Fatalf("%q is read as %q", header, key)
		}
	})
}

// FuzzIfMatch looks for headers that match what they do not name.
func FuzzIfMatch(f *testing.F) {
	for _, seed := range []string{"", "*", `"abc"`, `W/"abc"`, `"x", "abc"`, `"abc`, "abc", `*, "abc"`, `,,"abc",`, `"a"bc"`} {
		f.Add(seed, "abc")
	}
	f.Fuzz(func(t *testing.T, header, text string) {
		if strings.ContainsAny(text, `,"*`) || strings.TrimSpace(text) != text || text == "" {
			return // no tag of ours
		}
		tag := `"` + text + `"`
		strong, weak := api.TagsMatch(header, tag, false), api.TagsMatch(header, tag, true)
		switch {
		case strong && !weak:
			t.Fatalf("%q matches %s only strongly", header, tag)
		case weak && !strings.Contains(header, tag) && strings.Trim(header, " \t") != "*":
			t.Fatalf("%q matches %s", header, tag)
		case strong && header == "W/"+tag:
			t.Fatalf("%q matches %s strongly", header, tag)
		case !api.TagsMatch(header+","+tag, tag, false), !api.TagsMatch(header+",W/"+tag, tag, true):
			t.Fatalf("%q with %s does not match it", header, tag)
		case strings.Trim(header, " \t") != "*" && api.TagsMatch(header+`, "-"`, tag, false) != strong && text != "-":
			t.Fatalf("another tag beside %q changes whether it matches %s", header, tag)
		}
	})
}
