//! Codes that are officially assigned: countries and currencies.
//!
//! Source: the package iso-codes, whose tables were taken over as pycountry 26.2.16 carries them
//! (iso3166-1.json, iso4217.json), in their order. When a code is assigned or withdrawn, it changes here.

/// The officially assigned codes of ISO 3166-1 alpha-2.
pub(crate) const COUNTRIES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO \
     BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ \
     DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP \
     GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG \
     KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML \
     MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE \
     PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL \
     SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM \
     US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";

/// The codes of ISO 4217 in force, funds, metals and the codes for tests among them.
pub(crate) const CURRENCIES: &str = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BOV BRL BSD BTN BWP \
     BYN BZD CAD CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN \
     ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK \
     JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD \
     MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP \
     PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP \
     SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV \
     WST XAD XAF XAG XAU XBA XBB XBC XBD XCD XCG XDR XOF XPD XPF XPT XSU XTS XUA XXX YER ZAR \
     ZMW ZWG";

/// Whether a text is the code of a country.
pub(crate) fn is_country(text: &str) -> bool {
    is_among(COUNTRIES, text)
}

/// Whether a text is the code of a currency.
pub(crate) fn is_currency(text: &str) -> bool {
    is_among(CURRENCIES, text)
}

fn is_among(codes: &str, text: &str) -> bool {
    codes.split(' ').any(|code| code == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_whole_and_in_order() {
        for (codes, count, length) in [(COUNTRIES, 249, 2), (CURRENCIES, 178, 3)] {
            let codes: Vec<&str> = codes.split(' ').collect();
            assert_eq!(codes.len(), count);
            assert!(codes.is_sorted_by(|one, next| one < next));
            let is_code = |code: &&str| {
                code.len() == length && code.bytes().all(|byte| byte.is_ascii_uppercase())
            };
            assert!(codes.iter().all(is_code));
        }
    }

    #[test]
    fn what_was_never_assigned_or_was_withdrawn_is_no_code() {
        assert!(["DE", "IN", "US", "SS", "AX"].into_iter().all(is_country));
        for bad in ["", "de", "UK", "EU", "XK", "SU", "AN", "ZZ", "D", "DEU", "DE FR", " "] {
            assert!(!is_country(bad), "{bad}");
        }
        assert!(["EUR", "INR", "USD", "XCG", "XXX"].into_iter().all(is_currency));
        for bad in ["", "eur", "DEM", "HRK", "ABC", "EU", "EURO", "EUR USD"] {
            assert!(!is_currency(bad), "{bad}");
        }
    }
}
