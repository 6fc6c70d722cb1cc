/// Where a family takes its names from. Names are romanised as people write their own, which keeps an
/// apostrophe here and a letter outside ASCII there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tradition {
    /// Amharic and Ge'ez names of the Christian highlands.
    Highland,
    /// Tigrinya names.
    Tigrayan,
    /// Afaan Oromo names.
    Oromo,
    /// Arabic names as the Afar, the Harari, the Silte and Muslims all over the country bear them.
    Muslim,
    /// Somali names.
    Somali,
    /// Names of the Sidama, the Wolaita, the Hadiya and their neighbours.
    Southern,
    /// Nuer and Anuak names.
    Gambelan,
}

impl Tradition {
    /// All of them, in the order of their declaration.
    pub(super) const ALL: [Self; 7] = [
        Self::Highland,
        Self::Tigrayan,
        Self::Oromo,
        Self::Muslim,
        Self::Somali,
        Self::Southern,
        Self::Gambelan,
    ];

    /// What women are called, separated by spaces.
    pub(super) const fn women(self) -> &'static str {
        match self {
            Self::Highland => {
                "Abeba Adanech Alemitu Almaz Asnakech Aster Aynalem Azeb Bethlehem Birtukan Bizunesh Debritu \
                 Edilawit Eleni Elsabet Emebet Eyerusalem Feven Frehiwot Genet Hana Helen Hirut Kalkidan \
                 Kidist Kokebe Konjit Liya Mahlet Martha Mekdes Meron Meseret Mestawet Mihret Mulu Netsanet \
                 Rahel Rediet Roman Ruth Sara Selamawit Senait Serkalem Sosina Tayech Tigist Tirunesh Tizita \
                 Tsehay Wubit Yeshi Yordanos Zenebech Zewditu"
            }
            Self::Tigrayan => {
                "Abrehet Akeza Alganesh Azmera Birikti Feruz Freweini Gidey Haben Hadas Hiwet Kibra Kisanet \
                 Kudusan Lemlem Letay Letebrhan Letekidan Luwam Me'aza Medhin Mizan Nigisti Rigat Rishan \
                 Saba Samrawit Selam Semhal Tirhas Tsega Tsige Winta Yirgalem Zafu Ziada"
            }
            Self::Oromo => {
                "Ayane Ayantu Biftu Bilise Bontu Chaltu Damitu Derartu Ebise Fayine Fenet Gadise Galane Hawi \
                 Ibsitu Ililli Jalane Jalele Jitu Kenna Kume Lalise Lalistu Lensa Mergitu Meti Milki Obse \
                 Obsitu Qananise Sanbate Sena Sifan Simbo Singitu Sinke Soreti Tajitu Tolashe Toltu Urge \
                 Walane Yerosen"
            }
            Self::Muslim => {
                "Aisha Amina Amira Asia Ayat Bedria Du'a Fatuma Ferhana Fethia Foziya Halima Hanan Hawa \
                 Hayat Hikma Ikram Iman Jemila Kedija Keria Leyla Lubaba Mekiya Meryem Muna Munira Nebila \
                 Neima Nejat Nuria Radiya Rahima Rukia Sabrina Safia Salha Samira Seada Sitra Sumeya Temima \
                 Toyba Wesila Zahra Zebiba Zeineb"
            }
            Self::Somali => {
                "Amal Amran Anab Asha Astur Ayan Barni Bilan Dahabo Deqa Ebla Fadumo Faiza Farhiya Fartun \
                 Fowsiya Habiba Hamdi Hibaq Hinda Hodan Hodo Idil Ifrah Ismahan Istahil Kaltun Khadra Ladan \
                 Luul Maryan Muhubo Nasteho Nimo Qamar Rahma Raho Sagal Sahra Shukri Ubah Yasmin Zamzam"
            }
            Self::Southern => {
                "Abaynesh Aberash Adanu Almitu Amarech Askale Ayelech Bekelech Birhane Bogalech Buzunesh \
                 Desalech Dinknesh Ergoge Fantaye Ganame Kebebush Lakech Marame Meselech Mulunesh Sadete \
                 Shitaye Tadelech Tamirnesh Tenagne Terefech Tsehaynesh Wagaye Worke Worknesh Yeshimebet \
                 Zeritu"
            }
            Self::Gambelan => {
                "Aballa Achalla Achan Ajullu Akello Apiew Ariet Nyabiel Nyabuay Nyachan Nyadak Nyagoa \
                 Nyakang Nyakim Nyakuoth Nyalam Nyaluak Nyamal Nyamuon Nyandeng Nyapal Nyarek Nyaruach \
                 Nyaruɔt Nyatut Nyawal"
            }
        }
    }

    /// What men are called, separated by spaces.
    pub(super) const fn men(self) -> &'static str {
        match self {
            Self::Highland => {
                "Abebe Alemayehu Alemu Amare Andualem Asfaw Assefa Ayele Ayenew Bekele Belay Belete Berhanu \
                 Biruk Daniel Dawit Demeke Demissie Dereje Desalegn Endale Eyob Fikadu Fikru Getachew \
                 Getahun Getnet Girma Habtamu Haile Kassahun Kebede Kidus Lakew Lemma Mekonnen Melaku \
                 Mengistu Mesfin Mulugeta Nahom Samuel Shiferaw Sisay Solomon Tadesse Tamrat Tariku Taye \
                 Tesfaye Tewodros Tilahun Wondimu Worku Yared Yohannes Yonas Zelalem Zewdu"
            }
            Self::Tigrayan => {
                "Abadi Abraha Alula Amanuel Araya Asgede Atsbaha Berhe Filmon Gebrehiwot Gebremariam \
                 Gebremedhin Gebreselassie Girmay Goitom Haftom Haftu Hadush Hagos Hailay Kahsay Kalayu \
                 Kidane Kiros Mebrahtu Medhanie Mehari Meles Negash Nigus Redae Seyoum Shishay Teklay Teklit \
                 Tesfay Tsegay Weldu Yemane Zer'ay"
            }
            Self::Oromo => {
                "Abdi Abdisa Badhasa Bayisa Bonsa Boru Bulcha Chala Daba Dandena Dida Dinka Diriba Duguma \
                 Etana Fayisa Feyera Galata Galgalo Gamachu Geleta Gemechis Gudeta Guta Gutema Guyo Hirpha \
                 Hunde Ifa Jaleta Jilo Jirata Kumsa Lami Leta Megersa Merga Mosisa Negasa Obsa Olana Oljira \
                 Qal'a Regasa Robera Soressa Tafa Tarfa Tola Tolasa Tolera Wakjira Wakuma Waqo Wirtu Yadeta"
            }
            Self::Muslim => {
                "Abdella Abdulaziz Abdulhakim Abdulkadir Abdurahman Adem Ahmed Akmel Ali Anwar Awol Bedru \
                 Bilal Faruk Fuad Hamza Hassen Hayder Hussen Ibrahim Idris Ismael Jemal Jibril Kedir Kemal \
                 Khalid Mifta Mohammed Mu'az Muktar Mustefa Nasir Nuredin Nuru Oumer Remedan Sabit Sadik \
                 Seid Shemsu Siraj Sultan Surur Temam Tofik Usman Yasin Yimam Yusuf Zakir"
            }
            Self::Somali => {
                "Abdifatah Abdikarim Abdinasir Abdirahman Abdiwali Abdullahi Aden Ahmednur Barre Bashir Bile \
                 Dahir Deeq Diriye Dualeh Elmi Faisal Farah Garad Guled Gurey Hashi Hirsi Isse Jama Liban \
                 Mahad Mahamud Mukhtar Muse Nur Omar Osman Rage Roble Samatar Sharif Shire Siyad Ugas Wali \
                 Warsame Yonis"
            }
            Self::Southern => {
                "Abera Alaro Anjulo Ayza Bala Balcha Barasa Basha Bunaro Dana Dangiso Debiso Desta Dukale \
                 Dukamo Erango Ersido Fanta Ganta Gatiso Handiso Hankiso Hokamo Kassa Kayamo Lalimo Lamiso \
                 Lankamo Ledamo Lodamo Lombamo Markos Mata Mathewos Nuramo Paulos Petros Sankura Shonga Toma \
                 Tumiso Utalo Wada Zeleke"
            }
            Self::Gambelan => {
                "Akway Biel Bol Buay Buɔm Chan Chol Chuol Deng Duop Gatkuoth Gatluak Gatwech Jok Kang Koang \
                 Lam Lual Nyigwo Obang Ochala Odol Ojulu Okello Okugn Omot Opiew Pal Puok Ruach Thok Tut \
                 Tuɔt Wal"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traditions_are_listed_in_the_order_of_their_declaration() {
        for (tradition, place) in Tradition::ALL.into_iter().zip(0..) {
            assert_eq!(tradition as usize, place);
        }
    }

    #[test]
    fn names_are_printable_and_some_need_more_than_ascii_letters() {
        let names: Vec<&str> = Tradition::ALL
            .into_iter()
            .flat_map(|tradition| [tradition.women(), tradition.men()])
            .flat_map(str::split_whitespace)
            .collect();
        assert!(names.iter().all(|name| name.chars().all(|c| c.is_alphabetic() || c == '\'')));
        assert!(names.iter().any(|name| name.contains('\'')));
        assert!(names.iter().any(|name| !name.is_ascii()));
    }
}
