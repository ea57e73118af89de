package itglue

// Region names one of IT Glue's separate hosting regions. An account lives in
// exactly one, and its keys are refused by the others in the same way as a
// wrong key.
type Region string

// The regions of the public documentation.
const (
	RegionUS Region = "us"
	RegionEU Region = "eu"
	RegionAU Region = "au"
)

// Regions returns all regions, the default one first.
func Regions() []Region {
	return []Region{RegionUS, RegionEU, RegionAU}
}

// Valid reports whether r is one of Regions.
func (r Region) Valid() bool {
	return r.BaseURL() != ""
}

// BaseURL returns the root of the region's API, without a trailing slash, or
// "" if r is not one of Regions.
func (r Region) BaseURL() string {
	switch r {
	case RegionUS:
		return "https://api.itglue.com"
	case RegionEU:
		return "https://api.eu.itglue.com"
	case RegionAU:
		return "https://api.au.itglue.com"
	default:
		return ""
	}
}
