package itglue_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/orgbridge/orgbridge/pkg/itglue"
	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

// pageBody returns a page as the simulated IT Glue serves it.
func pageBody(tb testing.TB, n int) []byte {
	tb.Helper()

	server := itgluetest.New(itgluetest.WithKey("k"))
	server.Add(itgluetest.Generate(n)...)

	request := httptest.NewRequestWithContext(tb.Context(), http.MethodGet, "/organizations?page[size]=1000&sort=id", http.NoBody)
	request.Header.Set("X-Api-Key", "k")

	recorder := httptest.NewRecorder()
	server.ServeHTTP(recorder, request)

	return recorder.Body.Bytes()
}

func TestNamesAreTakenAsTheyAre(t *testing.T) {
	t.Parallel()

	names := map[string]string{
		"Padded":        "  Padded \t",
		"Empty":         "",
		"Combining":     "e" + strings.Repeat("\u0301", 100),
		"Decomposed":    "Cafe\u0301",
		"FourBytes":     "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 🏢",
		"RightToLeft":   "شركة \u202eabc",
		"NUL":           "a\x00b",
		"Markup":        `<script>alert("1")</script> & \ /`,
		"TenThousand":   strings.Repeat("x", 10_000),
		"LineSeparator": "a\u2028b",
	}
	for test, name := range names {
		t.Run(test, func(t *testing.T) {
			t.Parallel()

			b := setup(t, 0)
			id := b.server.Add(itgluetest.Organization{Name: name})[0]

			got, err := b.client.Organization(t.Context(), id)
			if err != nil || got.Name != name {
				t.Errorf("got %q, %v, want %q", got.Name, err, name)
			}

			_, organizations, err := list(t.Context(), b.client)
			if err != nil || organizations[0].Name != name {
				t.Errorf("listed %+v, %v, want %q", organizations, err, name)
			}
		})
	}

	t.Run("ReplacementCharacterForLoneSurrogate", func(t *testing.T) {
		t.Parallel()

		for _, name := range []string{`"a\ud800b"`, "\"a\xffb\""} {
			organizations, err := itglue.DecodePage([]byte(onePage(`{"name":`+name+`}`)), 1)
			if err != nil || organizations[0].Name != "a\uFFFDb" {
				t.Errorf("got %+v, %v", organizations, err)
			}
		}
	})
}

func TestDecodeToleratesWhatIsHarmless(t *testing.T) {
	t.Parallel()

	for name, body := range map[string]string{
		"UnknownAttributes": onePage(`{"name":"A","new":{"deep":[1]},"organization-type-name":null}`),
		"FiguresAsStrings":  strings.ReplaceAll(onePage(`{"name":"A"}`), `:1`, `:"1"`),
		"OddParent":         onePage(`{"name":"A","parent-id":{"id":1},"ancestor-ids":[1,"2"]}`),
		"OddTime":           onePage(`{"name":"A","updated-at":"yesterday"}`),
		"NoType":            strings.ReplaceAll(onePage(`{"name":"A"}`), `"type":"organizations",`, ""),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			organizations, err := itglue.DecodePage([]byte(body), 1)
			if err != nil || len(organizations) != 1 || organizations[0].Name != "A" || organizations[0].ParentID != "" {
				t.Errorf("got %+v, %v", organizations, err)
			}
		})
	}
}

func FuzzDecodePage(f *testing.F) {
	whole := pageBody(f, 3)
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte(""))
	f.Add([]byte("\uFEFF{}"))
	f.Add([]byte(`{"data":null}`))
	f.Add([]byte(`{"errors":[{"detail":"took too long"}]}`))
	f.Add([]byte(onePage(`{"name":"\ud800"}`)))

	f.Fuzz(func(t *testing.T, body []byte) {
		organizations, err := itglue.DecodePage(body, 1)
		if err != nil {
			return
		}

		if !json.Valid(body) {
			t.Errorf("accepted what is no JSON: %q", body)
		}

		for _, organization := range organizations {
			if organization.ID == "" || len(organization.ID) > 20 || strings.Trim(organization.ID, "0123456789") != "" {
				t.Errorf("accepted the id %q", organization.ID)
			}
		}

		written := encodePage(t, organizations)
		if read, err := itglue.DecodePage(written, 1); err != nil || !reflect.DeepEqual(named(read), named(organizations)) {
			t.Errorf("%+v became %+v: %v", named(organizations), named(read), err)
		}

		again, err := itglue.DecodePage(bytes.Clone(body), 1)
		if err != nil || len(again) != len(organizations) {
			t.Errorf("decoded differently the second time: %v", err)
		}
	})
}

// named are the ids and names of organizations, which is what syncs act on.
func named(organizations []itglue.Organization) [][2]string {
	out := make([][2]string, 0, len(organizations))
	for _, organization := range organizations {
		out = append(out, [2]string{organization.ID, organization.Name})
	}

	return out
}

// encodePage writes organizations as IT Glue does.
func encodePage(tb testing.TB, organizations []itglue.Organization) []byte {
	tb.Helper()

	data := make([]any, 0, len(organizations))
	for _, pair := range named(organizations) {
		data = append(data, map[string]any{"id": pair[0], "type": "organizations", "attributes": map[string]any{"name": pair[1]}})
	}

	body, err := json.Marshal(map[string]any{
		"data": data, "meta": map[string]any{"current-page": 1, "next-page": nil, "total-pages": 1, "total-count": len(data)},
	})
	if err != nil {
		tb.Fatal(err)
	}

	return body
}

func BenchmarkDecodePage(b *testing.B) {
	body := pageBody(b, 1000)
	b.SetBytes(int64(len(body)))

	for b.Loop() {
		if _, err := itglue.DecodePage(body, 1); err != nil {
			b.Fatal(err)
		}
	}
}
