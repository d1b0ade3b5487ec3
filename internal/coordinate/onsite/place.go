package onsite

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// Position is a place on earth, WGS 84.
type Position struct {
	Lat, Lon float64 // degrees, north and east positive
	Accuracy float64 // metres, as the device believes; 0: unknown
}

// Valid reports whether there is such a place.
func (p Position) Valid() bool {
	return math.Abs(p.Lat) <= 90 && math.Abs(p.Lon) <= 180 && p.Accuracy >= 0 && p.Accuracy < 1e7
}

// String is how a position stands in the journal; [ReadPosition] reads it back.
// Five places are a metre.
func (p Position) String() string {
	s := fmt.Sprintf("%.5f, %.5f", p.Lat, p.Lon)
	if p.Accuracy > 0 {
		s += fmt.Sprintf(" (±%.0f m)", math.Ceil(p.Accuracy))
	}
	return s
}

// URI is the position as RFC 5870 writes it; a phone opens its own map with it.
func (p Position) URI() string {
	s := fmt.Sprintf("geo:%.5f,%.5f", p.Lat, p.Lon)
	if p.Accuracy > 0 {
		s += fmt.Sprintf(";u=%.0f", math.Ceil(p.Accuracy))
	}
	return s
}

var (
	// decimals are two numbers with three places or more, as maps and phones copy
	// them: "52.01234, 9.12345 (±15 m)", "52,01234° N 9,12345° O".
	decimals = regexp.MustCompile(`^([+-]?\d{1,3}[.,]\d{3,15}) ?°? ?([NS]?)[,;/ ] ?([+-]?\d{1,3}[.,]\d{3,15}) ?°? ?([EWO]?)(?: ?\(?± ?(\d{1,6}) ?m\)?)?$`)
	// degrees are degrees, minutes and seconds: 52°01'24.4"N 9°07'30"E.
	degrees = regexp.MustCompile(`^(\d{1,2})° ?(\d{1,2})['′’] ?(\d{1,2}(?:[.,]\d{1,6})?)["″”] ?([NS])[,; ]? ?(\d{1,3})° ?(\d{1,2})['′’] ?(\d{1,2}(?:[.,]\d{1,6})?)["″”] ?([EWO])$`)
	// geoURI is what a phone shares, RFC 5870.
	geoURI = regexp.MustCompile(`^geo:([+-]?\d{1,3}(?:\.\d{1,15})?),([+-]?\d{1,3}(?:\.\d{1,15})?)(?:,[^;]*)?(?:;.*?\bu=(\d{1,6})(?:\.\d*)?\b.*|;.*|\?.*)?$`)
)

// ReadPosition reads a position out of what somebody typed or pasted. ok is false
// for anything else, which then is the name of a place.
func ReadPosition(text string) (p Position, ok bool) {
	text = strings.Join(strings.Fields(text), " ")
	num := func(s string) float64 {
		n, _ := strconv.ParseFloat(strings.Replace(s, ",", ".", 1), 64) // the pattern lets only numbers through; none is 0
		return n
	}
	side := func(n float64, letter string) float64 {
		if letter == "S" || letter == "W" {
			return -n
		}
		return n
	}
	if m := decimals.FindStringSubmatch(text); m != nil {
		p = Position{side(num(m[1]), m[2]), side(num(m[3]), m[4]), num(m[5])}
	} else if m := degrees.FindStringSubmatch(text); m != nil {
		sixty := func(d, min, s string) float64 { return num(d) + num(min)/60 + num(s)/3600 }
		p = Position{side(sixty(m[1], m[2], m[3]), m[4]), side(sixty(m[5], m[6], m[7]), m[8]), 0}
	} else if m := geoURI.FindStringSubmatch(text); m != nil {
		p = Position{num(m[1]), num(m[2]), num(m[3])}
	} else {
		return Position{}, false
	}
	return p, p.Valid()
}
