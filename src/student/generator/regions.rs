use super::{
    random::Random,
    traditions::Tradition::{self, Gambelan, Highland, Muslim, Oromo, Somali, Southern, Tigrayan},
};

/// One of the nation's regions, or one of its two chartered cities.
#[derive(Debug)]
pub(super) struct Region {
    pub(super) name: &'static str,
    /// How many of the nation's 2,000 schools it has: its share of the candidates.
    pub(super) schools: usize,
    /// The share of its candidates who chose natural science, in percent.
    pub(super) natural_science: u32,
    /// What its candidates' ability is on average, in standard deviations of the nation.
    pub(super) standing: f64,
    /// The tradition of most of its families.
    mostly: Tradition,
    /// The traditions of its other families, in percent of them all.
    also: &'static [(Tradition, u32)],
    /// The lists of those whom its schools are called after.
    pub(super) patrons: &'static [&'static str],
    /// Where its schools stand, separated by commas.
    pub(super) towns: &'static str,
}

impl Region {
    /// The tradition that a family of the region follows in naming.
    pub(super) fn tradition(&self, random: &mut Random) -> Tradition {
        let mut rank = random.below(100);
        for &(tradition, percent) in self.also {
            if rank < percent {
                return tradition;
            }
            rank -= percent;
        }
        self.mostly
    }
}

/// Writers, runners, patriots and what a school stands for: called upon everywhere.
const CIVIC: &str = "Abebe Bikila, Biruh Tesfa, Abdissa Aga, Ge'ez, Andinet, Mamo Wolde, Ewket Ber, Derartu \
    Tulu, Fana, Haddis Alemayehu, Millennium, Tsegaye Gebremedhin, Limat, Kebede Michael, Hibret";

/// Saints and emperors of the highlands.
const SAINTS: &str = "Kidus Giorgis, Atse Tewodros, Kidist Mariam, Etege Taytu, Medhane Alem, Menelik II, \
    Kidus Gabriel, Belay Zeleke, Abune Petros, Ras Alula, Kidus Mikael";

/// Scholars and leaders of the Muslim lowlands.
const SHEIKHS: &str = "Bilal, Al-Nejashi, Aw Abadir, Al-Hikma, Sheikh Hussein, Emir Nur, An-Nur, Imam Ahmed";

/// The regions, in alphabetical order. They have schools in proportion to their population, but the capital
/// has twice its share: more of its young stay at school until grade 12. Weighted by schools, the standings
/// have mean 0 and variance 0.12.
pub(super) static REGIONS: [Region; 14] = [
    Region {
        name: "Addis Ababa",
        schools: 150,
        natural_science: 53,
        standing: 1.1,
        mostly: Highland,
        also: &[(Oromo, 20), (Muslim, 15), (Tigrayan, 8), (Southern, 5)],
        patrons: &[CIVIC, SAINTS, SHEIKHS],
        towns: "Akaki, Arada, Arat Kilo, Ayat, Bole, Entoto, Gerji, Gotera, Gulele, Jemo, Kality, Kazanchis, \
            Kirkos, Kolfe, Lafto, Lemi Kura, Lideta, Megenagna, Mekanisa, Merkato, Piassa, Saris, Shiro \
            Meda, Sidist Kilo, Yeka",
    },
    Region {
        name: "Afar",
        schools: 25,
        natural_science: 36,
        standing: -0.5,
        mostly: Muslim,
        also: &[(Highland, 10), (Tigrayan, 3)],
        patrons: &[CIVIC, SHEIKHS],
        towns: "Abala, Asaita, Awash, Berhale, Chifra, Dallol, Dubti, Elidar, Gewane, Logiya, Mille, Semera",
    },
    Region {
        name: "Amhara",
        schools: 430,
        natural_science: 47,
        standing: 0.1,
        mostly: Highland,
        also: &[(Muslim, 15), (Oromo, 2), (Tigrayan, 2)],
        patrons: &[CIVIC, SAINTS],
        towns: "Addis Zemen, Adet, Ataye, Bahir Dar, Bichena, Bure, Chagni, Dabat, Dangila, Debark, Debre \
            Birhan, Debre Markos, Debre Sina, Debre Tabor, Dejen, Dessie, Finote Selam, Gondar, Hayk, \
            Injibara, Kemise, Kobo, Kombolcha, Lalibela, Mekane Selam, Merawi, Mersa, Metema, Mota, Nefas \
            Mewcha, Sekota, Shewa Robit, Wegel Tena, Wereta, Woldia",
    },
    Region {
        name: "Benishangul-Gumuz",
        schools: 20,
        natural_science: 42,
        standing: -0.3,
        mostly: Muslim,
        also: &[(Highland, 30), (Oromo, 20)],
        patrons: &[CIVIC],
        towns: "Assosa, Bambasi, Gilgel Beles, Guba, Kamashi, Kurmuk, Mandura, Menge, Pawe",
    },
    Region {
        name: "Central Ethiopia",
        schools: 120,
        natural_science: 44,
        standing: -0.1,
        mostly: Southern,
        also: &[(Muslim, 35), (Highland, 20)],
        patrons: &[CIVIC],
        towns: "Agena, Butajira, Dalocha, Doyogena, Durame, Emdibir, Enseno, Gimbichu, Gubre, Hadero, Halaba \
            Kulito, Homacho, Hosaena, Kibet, Shone, Tora, Wolkite, Worabe",
    },
    Region {
        name: "Dire Dawa",
        schools: 12,
        natural_science: 48,
        standing: 0.4,
        mostly: Oromo,
        also: &[(Muslim, 25), (Somali, 20), (Highland, 20)],
        patrons: &[CIVIC, SHEIKHS],
        towns: "Addis Ketema, Dechatu, Gende Kore, Kezira, Legehare, Megala, Melka Jebdu, Sabian",
    },
    Region {
        name: "Gambela",
        schools: 9,
        natural_science: 38,
        standing: -0.5,
        mostly: Gambelan,
        also: &[(Highland, 15), (Oromo, 10)],
        patrons: &[CIVIC],
        towns: "Abobo, Dimma, Gambela, Itang, Jikawo, Meti, Nyinenyang, Pinyudo",
    },
    Region {
        name: "Harari",
        schools: 6,
        natural_science: 50,
        standing: 0.6,
        mostly: Muslim,
        also: &[(Oromo, 35), (Highland, 20)],
        patrons: &[CIVIC, SHEIKHS],
        towns: "Aboker, Amir Nur, Hakim, Jinela, Jugol, Shenkor",
    },
    Region {
        name: "Oromia",
        schools: 715,
        natural_science: 45,
        standing: -0.15,
        mostly: Oromo,
        also: &[(Muslim, 25), (Highland, 15)],
        patrons: &[CIVIC, SHEIKHS],
        towns: "Adama, Adola, Agaro, Ambo, Arsi Negele, Assela, Babile, Bako, Bale Robe, Batu, Bedele, \
            Bekoji, Bishoftu, Bule Hora, Burayu, Chiro, Deder, Dembi Dolo, Dodola, Fiche, Gedo, Gelan, \
            Gimbi, Ginchi, Ginir, Goba, Guder, Haramaya, Holeta, Jimma, Kofele, Limu Genet, Meki, Mendi, \
            Metehara, Metu, Modjo, Moyale, Negele Borana, Nejo, Nekemte, Sebeta, Sendafa, Shakiso, Shambu, \
            Shashamane, Sheno, Sululta, Waliso, Welenchiti, Yabelo",
    },
    Region {
        name: "Sidama",
        schools: 90,
        natural_science: 43,
        standing: -0.1,
        mostly: Southern,
        also: &[(Highland, 15), (Oromo, 5), (Muslim, 5)],
        patrons: &[CIVIC],
        towns: "Aleta Wendo, Arbegona, Bensa Daye, Bona, Chire, Chuko, Dore Bafano, Hawassa, Hula, Leku, \
            Tula, Wondo Genet, Yirba, Yirgalem",
    },
    Region {
        name: "Somali",
        schools: 113,
        natural_science: 37,
        standing: -0.3,
        mostly: Somali,
        also: &[(Muslim, 10), (Oromo, 5), (Highland, 3)],
        patrons: &[CIVIC, SHEIKHS],
        towns: "Aware, Degehabur, Dolo Ado, Erer, Fik, Filtu, Gode, Hargele, Hartisheik, Jigjiga, Kebri \
            Beyah, Kebri Dehar, Kelafo, Shilavo, Shinile, Togochale, Warder",
    },
    Region {
        name: "South Ethiopia",
        schools: 140,
        natural_science: 43,
        standing: -0.25,
        mostly: Southern,
        also: &[(Highland, 20), (Oromo, 4), (Muslim, 3)],
        patrons: &[CIVIC],
        towns: "Arba Minch, Areka, Birbir, Boditi, Burji Soyama, Chencha, Dilla, Gesuba, Gidole, Humbo \
            Tebela, Jinka, Karat Konso, Kele, Key Afer, Laska, Sawla, Selamber, Turmi, Wolaita Sodo, Yirga \
            Chefe",
    },
    Region {
        name: "South West Ethiopia",
        schools: 60,
        natural_science: 41,
        standing: -0.2,
        mostly: Southern,
        also: &[(Highland, 25), (Oromo, 10), (Muslim, 10)],
        patrons: &[CIVIC],
        towns: "Ameya, Bonga, Chena Wacha, Gecha, Jemu, Loma Gessa, Maji, Masha, Mizan Aman, Shewa Bench, \
            Tepi, Tercha, Waka",
    },
    Region {
        name: "Tigray",
        schools: 110,
        natural_science: 50,
        standing: 0.2,
        mostly: Tigrayan,
        also: &[(Highland, 8), (Muslim, 4)],
        patrons: &[CIVIC, SAINTS],
        towns: "Abiy Addi, Adi Gudom, Adigrat, Adwa, Aksum, Alamata, Atsbi, Edaga Hamus, Enticho, Hawzen, \
            Humera, Korem, Maychew, Mekelle, Mekoni, Quiha, Sheraro, Shire, Wukro, Zalambessa",
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::student::generator::random::Purpose;

    fn per_school(value: impl Fn(&Region) -> f64) -> f64 {
        let schools: usize = REGIONS.iter().map(|region| region.schools).sum();
        REGIONS.iter().map(|region| value(region) * region.schools as f64).sum::<f64>() / schools as f64
    }

    #[test]
    fn the_regions_standings_have_mean_0_and_the_variance_that_marks_count_on() {
        let mean = per_school(|region| region.standing);
        let variance = per_school(|region| region.standing * region.standing);
        assert!(mean.abs() < 0.01, "{mean}");
        assert!((variance - 0.12).abs() < 0.01, "{variance}");
    }

    #[test]
    fn the_nation_prefers_social_science() {
        let natural_science = per_school(|region| region.natural_science.into());
        assert!((44.5..46.0).contains(&natural_science), "{natural_science}");
    }

    #[test]
    fn most_families_of_a_region_follow_its_first_tradition() {
        for region in &REGIONS {
            let others = region.also.iter().map(|(_, percent)| percent);
            let rest = 100 - others.clone().sum::<u32>();
            assert!(others.clone().all(|percent| *percent < rest), "{}", region.name);
            assert!(region.also.iter().all(|(tradition, _)| *tradition != region.mostly), "{}", region.name);
        }
    }

    #[test]
    fn a_regions_traditions_are_drawn_by_their_shares() {
        let capital = &REGIONS[0];
        let mut random = Random::new(1, Purpose::Student, 1);
        let oromo = (0..10_000).filter(|_| capital.tradition(&mut random) == Oromo).count();
        assert!((1_850..2_150).contains(&oromo), "{oromo}");
    }
}
