"""Texts of many kinds and languages: the ranges of a model's numbers in 8 bits come from them.

They are the same for everybody, so that a text has the same vector in every catalogue.
"""

TEXTS = (
    "Wireless Noise Cancelling Over-Ear Headphones, 30 h Battery, Black",
    "Neutrogena Oil-Free Acne Wash, Pink Grapefruit, 6 fl oz (Pack of 3)",
    "Avery Easy Peel White Address Labels for Laser Printers, 1 x 2-5/8 Inch, Box of 3000 (5160)",
    "LEGO City Fire Station 60320, 540 pieces, ages 6+",
    "HP 62XL High-yield Ink Cartridge - Tri-color",
    "cast iron skillet 26 cm",
    "SKU 88-1042/B  M8x40 hex bolt A2-70 (100 pcs)",
    "WOMEN'S RUNNING SHOES SIZE 38 *** SALE *** -40%",
    "The Matrix. 1999. Action, Science Fiction. A hacker learns that the world he lives in is a "
    "simulation and joins those who fight the machines behind it.",
    "Toy Story. Animation, Children's, Comedy",
    "Kind of Blue - Miles Davis (1959), modal jazz",
    "Pride and Prejudice. Jane Austen. Classics, Romance",
    "brand: L'Oreal. price: 12.99. category: Skin Care > Face > Creams & Moisturizers",
    "genre: rock; mood: melancholic; tempo: slow; instruments: guitar, drums, bass",
    "recently viewed: running shoes, sports watch, protein bar. bought: water bottle",
    "Great battery, love it! Would buy again.",
    "Broke after one day. Terrible quality, do not waste your money on this.",
    "it's ok i guess, shipping was slow but the colour is as in the picture",
    "My daughter has sensitive skin and this is the only lotion that does not irritate it. It "
    "smells faintly of almonds, absorbs within a minute and leaves no film. The pump stopped "
    "working when the bottle was half empty, so I had to unscrew it, which is why I take off a "
    "star. I have since ordered two more and the second one works as it should.",
    "something funny for a rainy evening with the family",
    "How do I reset my router to factory settings?",
    "what is the best beginner camera under 500 dollars",
    "Central bank leaves interest rates unchanged as inflation slows for a third month",
    "Operating profit rose to EUR 13.1 mn from EUR 8.7 mn in the corresponding period a year ago.",
    "Researchers report that the protein folds in two steps, the second of which is blocked by a "
    "single mutation; the finding may explain why the drug fails in one patient out of ten.",
    "Preheat the oven to 180 degrees. Whisk three eggs with the sugar until pale, fold in the "
    "flour, then the melted butter, and bake for thirty-five minutes.",
    "Two-bedroom flat near the station, balcony, lift, no pets, available from 1 March.",
    "Senior data engineer, remote, Python and Spark, five years of experience",
    "This professional office chair is built for long days at the desk. Its mesh back lets air "
    "through, the lumbar support can be moved up and down by ten centimetres, and the armrests "
    "turn in three directions. The base is made of polished aluminium with five castors that suit "
    "carpet and hard floors alike. The gas spring has been tested for one hundred thousand cycles "
    "and carries up to 150 kilograms. Assembly takes about a quarter of an hour; all tools are in "
    "the box. The cover can be taken off and washed at thirty degrees. Covered by a guarantee of "
    "five years on all moving parts. Colours: graphite, sand, moss. Dimensions: 68 x 66 x 118 cm. "
    "Weight: 17.5 kg. Not suitable for outdoor use.",
    "A retired detective is called back to the coast where he grew up when a fisherman finds a "
    "locked suitcase in his net. As winter storms cut the village off from the mainland, he "
    "understands that someone there has known the answer for thirty years, and that his own "
    "brother may have been the last to see the missing girl alive. A quiet, patient crime novel "
    "about memory, loyalty and the price of keeping a promise, by the author of two earlier books "
    "with the same hero, which have been translated into eleven languages.",
    "https://example.com/item?id=12345&ref=mail",
    "a",
    "2024",
    "\U0001f600\U0001f44d\U0001f525",
    'Ω≈ç√∫ ± 5 µm, 3/4", 220–240 V ~ 50/60 Hz',
    "降噪蓝牙耳机 头戴式 续航30小时 黑色",
    "三体。刘慈欣。科幻小说。地球文明与三体文明的第一次接触",
    "家常菜谱大全：一百道简单易学的中式菜肴",
    "质量很好，物流也快，下次还会来买。",
    "酒店位置不错，但是房间太小，隔音很差，早餐也一般，不推荐。",
    "一个女孩站在海边，手里拿着一只红色的风筝",
    "適合初學者的古典吉他，附琴袋與調音器",
    "コードレス掃除機 軽量 1.2kg 吸引力が強くて静かです",
    "무선 키보드 한글 자판, 조용하고 가볍습니다",
    "Zapatillas de deporte para mujer, muy cómodas y ligeras",
    "Une histoire d'amour bouleversante dans le Paris des années vingt",
    "Kaffeemaschine mit Mahlwerk und Milchschäumer, leicht zu reinigen",
    "Смартфон с хорошей камерой и большим экраном",
    "ساعة يد رجالية مقاومة للماء",
    "हाथ से बना सूती कुर्ता, गर्मियों के लिए",
    "Giày chạy bộ nam, đế êm, thoáng khí",
    "İyi bir ürün, hızlı kargo, teşekkürler",
)
